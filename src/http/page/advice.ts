// What to do, with the number behind it.

import type { Frame } from '../dashboard/messages.js';
import { byId, element, fillList, setClass, setText } from './dom.js';

const SIGNS = { critical: 'Critical', warning: 'Warning', good: 'Good' } as const;

export function showAdvice(advice: Frame['advice']): void {
  fillList(
    byId('advice'),
    advice,
    () => element('li', '', element('b', 'sign'), element('p'), element('p', 'change')),
    (item, { severity, finding, change }) => {
      const [sign, found, todo] = item.children as unknown as HTMLElement[];
      setClass(item, severity);
      setText(sign!, SIGNS[severity]);
      setText(found!, finding);
      setText(todo!, change);
    },
  );
}
