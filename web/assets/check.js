// The receipt checker's page: takes a file or a text, has the worker verify it, and shows what that found. Nothing is
// sent anywhere.
{
  const page = document.getElementById("checker");
  const worker = new Worker(page.dataset.worker);
  const [drop, status, result] = ["drop", "check-status", "check-result"].map((id) => document.getElementById(id));
  const file = document.getElementById("check-file");
  const text = document.getElementById("check-text");
  let asked = 0;

  const shape = (id) => document.getElementById(id).content.cloneNode(true).firstElementChild;
  const put = (el, values) => {
    for (const [name, value] of Object.entries(values)) el.querySelector(`[data-put=${name}]`).textContent = value;
    return el;
  };
  const toned = (el, tone) => {
    el.classList.add(tone);
    const use = el.querySelector("use");
    use.setAttribute("href", use.getAttribute("href").replace(/#.*/, `#${tone}`));
    return el;
  };
  const grouped = (digits) => String(digits).replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");
  /** µ$ in dollars, exactly. */
  const dollars = (micro) => {
    const digits = micro.toString().padStart(7, "0");
    const cents = digits.slice(-6).replace(/0{1,4}$/, "");
    return `$${grouped(digits.slice(0, -6))}.${cents.replace(/(\d{3})(?=\d)/g, "$1\u202f")}`;
  };

  /** @param {Blob | string} source */
  function ask(source, name) {
    asked++;
    result.replaceChildren();
    page.setAttribute("aria-busy", "true");
    status.textContent = `Checking ${name}`;
    worker.postMessage({ id: asked, source, own: page.dataset.own });
  }
  worker.addEventListener("message", ({ data }) => {
    if (data.id !== asked) return;
    if (data.count !== undefined) {
      status.textContent = `${grouped(data.count)} receipts looked at`;
      return;
    }
    page.removeAttribute("aria-busy");
    if (data.failed !== undefined) say("bad", "It could not be read", data.failed, []);
    else show(data.report);
  });
  worker.addEventListener("error", () => {
    page.removeAttribute("aria-busy");
    say(
      "bad",
      "The checker does not run in this browser",
      "infernet receipts verify FILE does the same on your machine.",
    );
  });

  const TITLES = {
    verified: ["ok", "Verified"],
    fault: ["bad", "Does not verify"],
    unreadable: ["warn", "Not readable"],
  };
  function say(tone, title, says) {
    status.textContent = `${title}. ${says}`;
    result.append(toned(put(shape("verdict-shape"), { title, says }), tone));
  }
  function show({ verdict, says, checks, receipts, count }) {
    const [tone, title] = TITLES[verdict];
    say(tone, title, says);
    if (checks.length > 0) {
      const card = shape("checks-shape");
      card
        .querySelector("ul")
        .append(
          ...checks.map((one) => toned(put(shape("check-shape"), { title: one.title, says: one.says }), one.tone)),
        );
      result.append(card);
    }
    if (receipts.length === 0) return;
    const card = shape("receipts-shape");
    card.querySelector("tbody").append(...receipts.map(row));
    card.querySelector("[data-put=note]").textContent =
      count > receipts.length ? `The first ${grouped(receipts.length)} of ${grouped(count)}` : "";
    result.append(card);
  }
  function row(one) {
    const made = put(shape("receipt-shape"), {
      job: one.job,
      seq: `no. ${grouped(one.seq)}`,
      node: `${one.node.slice(0, 8)}…${one.node.slice(-8)}`,
      model: one.model === null ? `${one.modelHash.slice(0, 16)}…` : cut(one.model),
      hash:
        one.model === null
          ? "hash of its digest"
          : one.isModelProven
            ? "its hash is in the receipt"
            : "as the file says",
      tokens: `${grouped(one.promptTokens)} / ${grouped(one.completionTokens)}`,
      gross: dollars(one.gross),
      split: `${dollars(one.nodeAmount)} node, ${dollars(one.fee)} fee`,
    });
    made.querySelector("[data-put=model]").title = one.modelHash;
    const time = made.querySelector("time");
    const at = new Date(one.finishedAtMs);
    const isDate = !Number.isNaN(at.getTime());
    time.textContent = isDate ? at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" }) : "–";
    if (isDate) time.dateTime = at.toISOString();
    if (one.isFaulty) toned(made, "bad");
    else made.querySelector("svg").remove();
    return made;
  }
  const cut = (name) => {
    const plain = name.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, "");
    return plain.length > 64 ? `${plain.slice(0, 63)}…` : plain;
  };

  file.addEventListener("change", () => {
    if (file.files[0]) ask(file.files[0], "the file");
    file.value = "";
  });
  document.getElementById("check-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (text.value.trim() !== "") ask(text.value, "the text");
  });
  document.addEventListener("paste", (event) => {
    if (event.target.closest?.("textarea, input")) return;
    const pasted = event.clipboardData.files[0] ?? event.clipboardData.getData("text");
    if (pasted !== "") ask(pasted, "what you pasted");
  });
  // Anywhere on the page: who misses the box loses the page otherwise.
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) drop.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    const dropped = event.dataTransfer.files[0] ?? event.dataTransfer.getData("text");
    if (dropped !== "") ask(dropped, "the file");
  });
}
