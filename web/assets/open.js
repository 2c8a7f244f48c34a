// Opens a node's dashboard with the secret in the link's fragment, which is taken out of the address at once.
const secret = location.hash.slice(1);
history.replaceState(null, "", location.pathname);
const said = document.getElementById("said");
const tell = (text) => {
  said.textContent = text;
};
if (secret !== "") {
  tell("Opening…");
  fetch("/open", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ secret }),
  }).then(
    (answer) => {
      if (answer.ok) location.replace("/");
      else tell("This link was used already, or is older than ten minutes. The command gives a new one.");
    },
    () => tell("The node does not answer. Is it running?"),
  );
}
