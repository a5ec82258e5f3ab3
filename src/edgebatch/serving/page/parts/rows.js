// Table rows that are made once and filled again each second; only what changed is touched.

/** Return an element; children are elements or texts, never markup. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Set a percentage as a CSS property. */
export function setPart(element, name, part) {
  const value = `${(100 * Math.min(1, Math.max(0, part))).toFixed(1)}%`;
  if (element.style.getPropertyValue(name) !== value) element.style.setProperty(name, value);
}

/** The rows of a table's body. */
export class Rows {
  /**
   * @param body the ``tbody``.
   * @param create returns ``{row, fill}``; ``fill(entry)`` shows an entry in that row.
   */
  constructor(body, create) {
    this.body = body;
    this.create = create;
    this.made = [];
    this.shown = 0;
  }

  show(entries) {
    while (this.made.length < entries.length) {
      this.made.push(this.create());
      this.body.append(this.made.at(-1).row);
    }
    entries.forEach((entry, index) => this.made[index].fill(entry));
    for (let index = Math.min(entries.length, this.shown); index < Math.max(entries.length, this.shown); index += 1) {
      this.made[index].row.hidden = index >= entries.length;
    }
    this.shown = entries.length;
  }
}

/** Return what a cell of the request's number and its key is filled by. */
export function nameCell() {
  const key = make("small");
  const text = document.createTextNode("");
  const cell = make("th", { scope: "row", role: "rowheader" }, text, " ", key);
  const fill = (entry) => {
    const name = `#${entry.number}`;
    if (text.data !== name) text.data = name;
    setText(key, entry.key);
  };
  return { cell, fill };
}
