// The verdict on a run that has ended.

import type { Result } from '../messages.js';
import { byId, element, fillList, setClass, setText } from './dom.js';
import { measure, whole } from './format.js';

export function showResult(result: Result | null): void {
  const card = byId('result');
  card.hidden = result === null;
  if (result === null) return;
  card.classList.toggle('missed', !result.passed);
  setText(byId('verdict'), verdictOf(result));
  setText(byId('end-reason'), result.endReason);
  const create = () => element('li');
  fillList(byId('thresholds'), result.thresholds, create, (item, threshold) => {
    const { text, passed, actual, steadyActual } = threshold;
    setClass(item, passed ? '' : 'missed');
    const figures = `whole run ${figure(actual)}, steady state ${figure(steadyActual)}`;
    setText(item, `${passed ? '✓ met' : '✗ missed'}: ${text} (${figures})`);
  });
  fillList(byId('notes'), result.notes, create, (item, note) => setText(item, note));
}

function verdictOf({ passed, thresholds, unjudgedErrors }: Result): string {
  if (passed) return thresholds.length > 0 ? 'Passed: all thresholds met' : 'Passed: no errors';
  const missed = thresholds.filter((one) => !one.passed).length;
  const unjudged = thresholds.length > 0 ? ' that no threshold judges' : '';
  const reasons = [
    ...(missed > 0 ? [`${missed} of ${thresholds.length} thresholds missed`] : []),
    ...(unjudgedErrors > 0 ? [`${whole(unjudgedErrors)} errors${unjudged}`] : []),
  ];
  return ['Not passed', ...(reasons.length > 0 ? [reasons.join(', ')] : [])].join(': ');
}

function figure(actual: number | null): string {
  return actual === null ? 'none' : measure(actual);
}
