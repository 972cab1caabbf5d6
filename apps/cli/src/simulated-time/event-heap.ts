// What is to happen, by time; what is due at the same time comes in the order in which it was
// planned. A binary heap in an array.

export interface Planned {
  /** When, ms on the simulated clock. */
  readonly at: number;
  /** Grows with each that is planned. */
  readonly order: number;
}

export class EventHeap<T extends Planned> {
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** What comes next, left in its place. */
  peek(): T | undefined {
    return this.#items[0];
  }

  push(item: T): void {
    const items = this.#items;
    let index = items.length;
    items.push(item);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (isBefore(items[parent] as T, item)) break;
      items[index] = items[parent] as T;
      index = parent;
    }
    items[index] = item;
  }

  shift(): T | undefined {
    const items = this.#items;
    const first = items[0];
    const last = items.pop();
    if (last === undefined || items.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= items.length) break;
      const right = child + 1;
      if (right < items.length && isBefore(items[right] as T, items[child] as T)) child = right;
      if (isBefore(last, items[child] as T)) break;
      items[index] = items[child] as T;
      index = child;
    }
    items[index] = last;
    return first;
  }
}

function isBefore(left: Planned, right: Planned): boolean {
  return left.at < right.at || (left.at === right.at && left.order < right.order);
}
