// All pages are index.html: NAME.html runs NAME.js.
const [name] = location.pathname.split("/").pop().split(".html");
import(`./${name || "index"}.js`);
