// What nodes of a cluster answered, and which of them is to be believed. Pure.

import type { NodeAddress } from '../../config/options.js';
import { type ListedNode, type SlotRange, signatureOf } from './slot-map.js';

export interface Answer {
  readonly from: NodeAddress;
  readonly ranges: readonly SlotRange[];
  /** Slots that have a primary. */
  readonly coverage: number;
  /** How new its knowledge is: the highest epoch that it has heard of; 0: it does not say. */
  readonly epoch: number;
  /** False where it says itself that it serves nobody: it may be cut off from the others. */
  readonly isOk: boolean;
}

/** Every node that an answer names, some of them more than once. */
export function listedIn({ ranges }: Pick<Answer, 'ranges'>): readonly ListedNode[] {
  return ranges.flatMap(({ primary, replicas }) => [primary, ...replicas]);
}

/**
 * Whether it is about the cluster that is known, as it names one of its nodes. At an address of
 * long ago may be a node of another cluster by now.
 * @param ids The nodes' own numbers; none: any cluster will do.
 */
export function isKin(answer: Pick<Answer, 'ranges'>, ids: ReadonlySet<string>): boolean {
  if (ids.size === 0) return true;
  return listedIn(answer).some(({ id }) => id === undefined || ids.has(id));
}

/**
 * One of this cluster rather than of another; then who knows of most slots, who is not cut off,
 * whose knowledge is the newest, and what most say. @param answers 1 or more.
 */
export function bestOf(answers: readonly Answer[], ids: ReadonlySet<string>): Answer {
  const signatures = answers.map(({ ranges }) => signatureOf(ranges));
  const ranked = answers.map((answer, index) => {
    const agreeing = signatures.filter((signature) => signature === signatures[index]).length;
    const { coverage, isOk, epoch } = answer;
    return { answer, rank: [Number(isKin(answer, ids)), coverage, Number(isOk), epoch, agreeing] };
  });
  const [best] = ranked.sort((one, other) => compare(other.rank, one.rank));
  return (best as { answer: Answer }).answer;
}

function compare(one: readonly number[], other: readonly number[]): number {
  const place = one.findIndex((value, index) => value !== other[index]);
  return place === -1 ? 0 : (one[place] as number) - (other[place] as number);
}
