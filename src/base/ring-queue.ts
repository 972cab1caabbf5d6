// A first-in, first-out queue on a circular array whose size is a power of two: push, shift and
// peek cost a few instructions and allocate nothing once the array has grown to its working size.
// It grows without a bound of its own: whoever fills it names the limit.

const INITIAL_SLOTS = 16;
/** An emptied queue that had grown beyond this many slots gives its memory back. */
const KEPT_SLOTS = 4096;

export class RingQueue<T> {
  #slots: (T | undefined)[] = new Array(INITIAL_SLOTS);
  #mask = INITIAL_SLOTS - 1;
  #head = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(item: T): void {
    if (this.#length > this.#mask) this.#grow();
    this.#slots[(this.#head + this.#length) & this.#mask] = item;
    this.#length++;
  }

  peek(): T | undefined {
    return this.#slots[this.#head];
  }

  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const item = this.#slots[this.#head];
    this.#slots[this.#head] = undefined;
    this.#head = (this.#head + 1) & this.#mask;
    if (--this.#length === 0 && this.#mask >= KEPT_SLOTS) this.clear();
    return item;
  }

  /** The item `index` places behind the head; `undefined` beyond the end. */
  at(index: number): T | undefined {
    return index < this.#length ? this.#slots[(this.#head + index) & this.#mask] : undefined;
  }

  /** Calls back with each item, oldest first; the queue must not be changed meanwhile. */
  forEach(visit: (item: T) => void): void {
    for (let index = 0; index < this.#length; index++) visit(this.at(index) as T);
  }

  clear(): void {
    this.#slots = new Array(INITIAL_SLOTS);
    this.#mask = INITIAL_SLOTS - 1;
    this.#head = 0;
    this.#length = 0;
  }

  /** Empties the queue and returns what was in it, oldest first. */
  drain(): T[] {
    const items: T[] = new Array(this.#length);
    for (let index = 0; index < items.length; index++) items[index] = this.at(index) as T;
    this.clear();
    return items;
  }

  /** Removes every item for which `isGone` holds; the others keep their order. */
  removeWhere(isGone: (item: T) => boolean): void {
    for (let remaining = this.#length; remaining > 0; remaining--) {
      const item = this.shift() as T;
      if (!isGone(item)) this.push(item);
    }
  }

  #grow(): void {
    const slots: (T | undefined)[] = new Array((this.#mask + 1) * 2);
    for (let index = 0; index < this.#length; index++) {
      slots[index] = this.#slots[(this.#head + index) & this.#mask];
    }
    this.#slots = slots;
    this.#mask = slots.length - 1;
    this.#head = 0;
  }
}
