// What the page does beyond showing: sorting, switching maps, and creating the pictures of photos near the window.
"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const byId = (id) => document.getElementById(id);
  root.classList.add("js");

  // Light and dark.
  const theme = byId("theme");
  const isDark = () => (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const showTheme = () => theme.setAttribute("aria-pressed", isDark());
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    showTheme();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTheme);
  showTheme();

  // Sorts by a key, a number or a text; what has none comes last either way. Equal ones keep their order.
  const sorted = (items, key, sign) => {
    const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true }));
    return items
      .map((item) => [key(item), item])
      .sort(([a], [b]) => (a === "" || b === "" ? (a === "") - (b === "") : sign * compare(a, b)))
      .map(([, item]) => item);
  };
  const keyOfCell = (cell) => {
    if (cell?.dataset.value) return Number(cell.dataset.value);
    return !cell || cell.querySelector(".missing") ? "" : cell.textContent.trim();
  };

  // Tables.
  for (const table of all("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    const body = table.tBodies[0];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const rising = head.matches(".text, .lesser");
        const before = head.getAttribute("aria-sort");
        const ascending = before ? before === "descending" : rising;
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
        body.append(...sorted([...body.rows], (row) => keyOfCell(row.cells[column]), ascending ? 1 : -1));
      });
    });
  }

  const cards = all(".card");
  if (cards.length === 0) return;
  const grid = cards[0].parentElement;
  const radios = (card) => all(".maps input", card);
  const chosen = (card) => radios(card).findIndex((radio) => radio.checked);

  // Pictures stand as text in the noscript of each card, which shows them without scripts. The photo and the chosen
  // map become elements when the card comes near the window, and go when it leaves.
  const near = new Set();
  const drawn = (card) => {
    const text = document.createElement("template");
    text.innerHTML = card.querySelector("noscript").textContent;
    const pictures = text.content.firstElementChild;
    const map = chosen(card);
    all(".map", pictures).forEach((image, i) => i === map || image.remove());
    return pictures;
  };
  const show = (card) => {
    const pictures = document.importNode(drawn(card), true);
    const old = card.querySelector("svg.pictures");
    if (!old) return card.querySelector(".view").prepend(pictures);
    // The photo stays, so that it does not flicker.
    old.querySelector(".map")?.remove();
    old.append(...all(".map", pictures));
  };
  const hide = (card) => card.querySelector("svg.pictures")?.remove();
  const watcher = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        if (isIntersecting) near.add(target);
        else near.delete(target);
        (isIntersecting ? show : hide)(target);
      }
    },
    { rootMargin: "800px 0px" },
  );
  cards.forEach((card) => watcher.observe(card));
  addEventListener("beforeprint", () => cards.filter((card) => !card.hidden).forEach(show));
  addEventListener("afterprint", () => cards.filter((card) => !near.has(card)).forEach(hide));

  // The map of a card.
  const nameOf = new Map(cards.map((card) => [card, card.querySelector("h3").textContent]));
  const switched = (card) => {
    const map = chosen(card);
    const radio = radios(card)[map];
    card.classList.remove("bare");
    card.querySelector(".boxes title").textContent = nameOf.get(card) + (radio ? ` with the map ${radio.value}` : "");
    all(".box[data-map]", card).forEach((box) => box.classList.toggle("other", Number(box.dataset.map) !== map));
    if (near.has(card)) show(card);
  };
  for (const card of cards) {
    switched(card);
    card.addEventListener("change", () => switched(card));
    card.querySelector(".view").addEventListener("click", () => {
      card.classList.toggle("bare");
      radios(card)[chosen(card)]?.focus({ preventScroll: true });
    });
    card.addEventListener("keydown", (event) => {
      if (event.altKey || event.ctrlKey || event.metaKey) return;
      const wanted = radios(card)[Number(event.key) - 1];
      if (event.key === "0") card.classList.toggle("bare");
      else if (wanted) {
        wanted.focus();
        wanted.click();
      } else return;
      event.preventDefault();
    });
  }

  // The tools above the photos.
  const find = byId("find");
  const sort = byId("sort");
  const turn = byId("turn");
  const texts = new Map(cards.map((card) => [card, all("h3, .facts", card).map((part) => part.textContent).join(" ").toLowerCase()]));
  const filter = () => {
    const wanted = find.value.trim().toLowerCase().split(/\s+/);
    let seen = 0;
    for (const card of cards) {
      card.hidden = !wanted.every((word) => texts.get(card).includes(word));
      seen += !card.hidden;
    }
    byId("count").textContent = seen === cards.length ? String(seen) : `${seen} of ${cards.length}`;
  };
  const keyOf = (card) => {
    const [kind, column] = sort.value.split("-");
    if (kind === "name") return nameOf.get(card);
    if (kind === "photo") return keyOfCell(all(".values dd", card)[column]);
    return keyOfCell(radios(card)[chosen(card)]?.closest("tr").cells[Number(column) + 1]);
  };
  // The first way to sort shows the worst first, or the greatest.
  const words = { greater: ["worst first", "best first"], lesser: ["best first", "worst first"], number: ["least first", "greatest first"], text: ["A to Z", "Z to A"] };
  let ascending = true;
  const arrange = () => {
    const values = sort.selectedOptions[0].dataset.values ?? "text";
    turn.hidden = sort.value === "given";
    turn.textContent = words[values][ascending ? 0 : 1];
    grid.append(...(sort.value === "given" ? cards : sorted(cards, keyOf, ascending ? 1 : -1)));
  };
  find.addEventListener("input", filter);
  find.form.addEventListener("submit", (event) => event.preventDefault());
  sort.addEventListener("change", () => {
    ascending = ["text", "greater", undefined].includes(sort.selectedOptions[0].dataset.values);
    arrange();
  });
  turn.addEventListener("click", () => {
    ascending = !ascending;
    arrange();
  });
  for (const radio of all(".all-maps input")) {
    radio.addEventListener("change", () => {
      for (const card of cards) {
        const same = radios(card).find((other) => other.value === radio.value);
        if (!same || same.checked) continue;
        same.checked = true;
        switched(card);
      }
      if (sort.value.startsWith("map")) arrange();
    });
  }
  const fade = byId("fade");
  const setFade = () => grid.style.setProperty("--fade", fade.value / 100);
  fade.addEventListener("input", setFade);
  const without = !grid.querySelector(".box");
  document.querySelectorAll("[data-for=boxes]").forEach((part) => { part.hidden = without; });
  byId("boxes").addEventListener("change", (event) => grid.classList.toggle("no-boxes", !event.target.checked));
  all("input[name=size]").forEach((radio) => radio.addEventListener("change", () => (grid.dataset.size = radio.value)));
  // A browser that goes back to the page keeps what was chosen; the page begins anew.
  find.form.reset();
  setFade();
  filter();
  arrange();
})();
