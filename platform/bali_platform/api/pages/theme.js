// Loaded before anything is drawn, so that no page flashes in the other theme.
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const current = () => localStorage.getItem("theme") ?? (dark.matches ? "dark" : "light");
  const apply = () => { document.documentElement.dataset.theme = current(); };
  dark.addEventListener("change", apply);
  window.toggleTheme = () => {
    localStorage.setItem("theme", current() === "dark" ? "light" : "dark");
    apply();
  };
  apply();
})();
