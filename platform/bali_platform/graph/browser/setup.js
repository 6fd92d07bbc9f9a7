// Runs before the Browser's own code: once for each version of them, puts the style and the
// favourites where the Browser keeps its own, and fills in address and user of this server.
(() => {
  const { stamp, address, style, favourites } = window.bali;
  const read = (key) => JSON.parse(localStorage.getItem(`neo4j.${key}`)) || [];
  const write = (key, value) => localStorage.setItem(`neo4j.${key}`, JSON.stringify(value));
  if (localStorage.getItem("bali.stamp") !== stamp) {
    const documents = read("documents").filter((item) => item.folder !== "bali");
    const folders = read("folders").filter((item) => item.id !== "bali");
    write("grass", style);
    write("documents", [...documents, ...favourites]);
    write("folders", [...folders, { id: "bali", name: "UMLS" }]);
    localStorage.setItem("bali.stamp", stamp);
  }
  const url = new URL(window.location);
  if (!url.searchParams.has("dbms")) {
    url.searchParams.set("dbms", address);
    window.history.replaceState(null, "", url);
  }
})();
