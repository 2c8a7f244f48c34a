// Amounts: what Math.min and Math.max do, for bigints.

export const least = (...[first, ...others]: [bigint, ...bigint[]]): bigint => {
  let found = first;
  for (const amount of others) if (amount < found) found = amount;
  return found;
};

export const most = (...[first, ...others]: [bigint, ...bigint[]]): bigint => {
  let found = first;
  for (const amount of others) if (amount > found) found = amount;
  return found;
};
