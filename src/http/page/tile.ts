// A figure with its name, its unit and a word more.

import { element, fillList, setClass, setText } from './dom.js';

export interface Tile {
  readonly name: string;
  readonly value: string;
  readonly unit: string;
  readonly more: string;
  readonly style: '' | 'bad' | 'warn';
}

export function fillTiles(holder: HTMLElement, tiles: readonly Tile[]): void {
  fillList(holder, tiles, createTile, fillTile);
}

function createTile(): HTMLDivElement {
  const value = element('dd', 'value', element('span'), element('small'));
  return element('div', '', element('dt'), value, element('dd', 'more'));
}

function fillTile(tile: HTMLDivElement, { name, value, unit, more, style }: Tile): void {
  const [term, figure, rest] = tile.children as unknown as HTMLElement[];
  setClass(tile, style);
  setText(term!, name);
  setText(figure!.children[0] as HTMLElement, value);
  setText(figure!.children[1] as HTMLElement, unit);
  setText(rest!, more);
}
