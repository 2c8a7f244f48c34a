// Setting id: where a setting stands in its page: ids without the dots that selectors would take for classes.

export const settingId = (key: string): string => `set-${key.replaceAll(".", "-")}`;
/** The page, at this setting. */
export const settingHref = (key: string): string => `/admin/settings#${settingId(key)}`;
