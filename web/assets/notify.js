// Notifications of the browser, for operators and admins: asked for by a click only, and told of while a tab is open, by
// one tab for all.
{
  const WANTED = "notify";
  const FOLLOWS_MS = 10_000;
  const me = `${Math.random()}`;
  const read = (name) => {
    try {
      return localStorage.getItem(name);
    } catch {
      return null;
    }
  };
  const write = (name, value) => {
    try {
      if (value === null) localStorage.removeItem(name);
      else localStorage.setItem(name, value);
    } catch {
      // Storage may be off: then there are none.
    }
  };
  const isOn = () => "Notification" in window && Notification.permission === "granted" && read(WANTED) === "on";

  function show() {
    const button = document.getElementById("notify");
    if (!button) return;
    const denied = !("Notification" in window) || Notification.permission === "denied";
    button.hidden = false;
    button.disabled = denied;
    button.setAttribute("aria-pressed", String(isOn()));
    button.querySelector("span").textContent = denied
      ? "The browser blocks notifications"
      : isOn()
        ? "Notifications are on"
        : "Notify me";
  }
  async function toggle() {
    write("notify-seen", null);
    if (isOn()) write(WANTED, null);
    else if ((await Notification.requestPermission()) === "granted") write(WANTED, "on");
    show();
    follow();
  }
  document.addEventListener("click", (event) => {
    if (event.target.closest("#notify")) void toggle();
  });

  /** One tab tells; another takes over when it has been silent for a while. */
  function isTeller() {
    const [who, atMs] = (read("notify-teller") ?? "").split(" ");
    if (who !== me && Date.now() - Number(atMs ?? 0) < FOLLOWS_MS) return false;
    write("notify-teller", `${me} ${Date.now()}`);
    return true;
  }

  async function tell({ n, title, text, path }) {
    const registration = await navigator.serviceWorker?.getRegistration();
    const options = { body: text, tag: String(n), icon: "/icon-192.png", data: { path } };
    if (registration) await registration.showNotification(title, options);
    else new Notification(title, options);
  }

  let source;
  function follow() {
    if (!isOn() || !isTeller()) {
      source?.close();
      source = undefined;
      return;
    }
    if (source && source.readyState !== EventSource.CLOSED) return;
    source = new EventSource("/live/notices");
    source.addEventListener("notices", ({ data }) => {
      const notices = JSON.parse(data);
      const seen = read("notify-seen");
      write("notify-seen", String(notices.at(-1)?.n ?? seen ?? 0));
      // What happened before anybody listened is not told of.
      if (seen !== null) for (const notice of notices) if (notice.n > Number(seen)) void tell(notice);
    });
  }
  const begin = () => {
    if (!document.querySelector("#nav[data-notices]")) return;
    show();
    follow();
    setInterval(follow, FOLLOWS_MS / 4);
    document.addEventListener("htmx:after:swap", show);
    addEventListener("pagehide", () => {
      if (source) write("notify-teller", null);
      source?.close();
    });
  };
  // Loaded with defer: the page is there.
  begin();
  navigator.serviceWorker?.register("/sw.js").catch(() => undefined);
}
