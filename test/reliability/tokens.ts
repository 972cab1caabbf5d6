// Who wrote what, what he was told, and what stands on the server afterwards. Each write of a load
// appends a token that there is only once; so a token that stands twice was executed twice, and an
// acknowledged one that is missing was lost. Pure.

/**
 * What the caller was told of a token. `replicated`: a replica has it too, by WAIT. `unknown`: it may
 * have been executed. `refused`: it certainly was not.
 */
export type Fate = 'pending' | 'acknowledged' | 'replicated' | 'unknown' | 'refused';

export interface Token {
  readonly text: string;
  /** Where it belongs: tokens of a list stand there or nowhere. */
  readonly list: string;
  readonly startedAt: number;
  fate: Fate;
  /** Written in the same transaction: both stand, or none. */
  readonly partner?: Token;
}

export interface Judgement {
  readonly acknowledged: number;
  readonly replicated: number;
  readonly unknown: number;
  /** Acknowledged, and not there. */
  readonly lost: readonly Token[];
  /** Acknowledged by a primary that was replaced before a replica had it: what nobody can prevent. */
  readonly unreplicated: number;
  readonly twice: readonly Token[];
  /** There, though the caller was told that it was not executed. */
  readonly uninvited: readonly Token[];
  /** Only one half of a transaction is there. */
  readonly halved: readonly Token[];
}

export interface JudgedBy {
  /** How often each token stands on the server. */
  readonly standing: ReadonlyMap<string, number>;
  /** Whether an acknowledged token may be gone with the primary that took it. */
  mayBeGone(token: Token): boolean;
}

export function judgeTokens(
  tokens: readonly Token[],
  { standing, mayBeGone }: JudgedBy,
): Judgement {
  const timesOf = ({ text }: Token) => standing.get(text) ?? 0;
  const isAcknowledged = ({ fate }: Token) => fate === 'acknowledged' || fate === 'replicated';
  const acknowledged = tokens.filter(isAcknowledged);
  const missing = acknowledged.filter((token) => timesOf(token) === 0);
  const lost = missing.filter((token) => token.fate === 'replicated' || !mayBeGone(token));
  return {
    acknowledged: acknowledged.length,
    replicated: tokens.filter(({ fate }) => fate === 'replicated').length,
    unknown: tokens.filter(({ fate }) => fate === 'unknown').length,
    lost,
    unreplicated: missing.length - lost.length,
    twice: tokens.filter((token) => timesOf(token) > 1),
    uninvited: tokens.filter((token) => token.fate === 'refused' && timesOf(token) > 0),
    halved: tokens.filter(
      (token) => token.partner !== undefined && timesOf(token) !== timesOf(token.partner),
    ),
  };
}
