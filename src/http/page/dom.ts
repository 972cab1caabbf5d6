// Elements: found by id, made, and changed only where something differs, so that a selection, the
// focus and a screen reader's place survive the next second. Text is always text, never markup.

/** An element that the page is written with. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`The page has no element '${id}'.`);
  return element as T;
}

export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  className = '',
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  if (className !== '') made.className = className;
  made.append(...children);
  return made;
}

export function setText(node: HTMLElement, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

export function setClass(node: HTMLElement, className: string): void {
  if (node.className !== className) node.className = className;
}

/** Makes as many children of a list as there are items, and fills each. */
export function fillList<T, Child extends HTMLElement>(
  list: HTMLElement,
  items: readonly T[],
  create: () => Child,
  fill: (child: Child, item: T) => void,
): void {
  while (list.children.length > items.length) list.lastElementChild!.remove();
  while (list.children.length < items.length) list.append(create());
  for (const [index, item] of items.entries()) fill(list.children[index] as Child, item);
}
