// What the pool's figures mean to the one who runs it: plain sentences for the health endpoint,
// and when the utilisation alert is raised and cleared. The limits stand here and nowhere else.

/** Utilisation above which a warning is given, percent, as required. */
export const WARNING_PERCENT = 60;
/** Utilisation above which the alert is raised, percent, as required. */
export const ALERT_PERCENT = 80;
/**
 * Utilisation below which a raised alert is cleared, percent. 70 is our choice: the requirements ask for
 * hysteresis without a figure, and 10 points keep a load that hovers about 80 from flapping.
 */
export const ALERT_CLEAR_PERCENT = 70;

export const ALL_IS_WELL = 'Pool operating optimally';

export type UtilizationLevel = 'ok' | 'warning' | 'critical';

export interface PressureFacts {
  readonly utilizationPercent: number;
  /** How often callers found all connections taken, in the time the caller looks at. */
  readonly exhaustedCount: number;
  /** Why Redis did not answer, e.g. an error code; `undefined`: it did. */
  readonly failure?: string | undefined;
}

/** Connections in use of the maximum, in percent; a pool resized to none is full when used. */
export function utilizationPercent(inUse: number, maximum: number): number {
  if (maximum > 0) return (inUse / maximum) * 100;
  return inUse > 0 ? 100 : 0;
}

export function utilizationLevel(percent: number): UtilizationLevel {
  if (percent > ALERT_PERCENT) return 'critical';
  return percent > WARNING_PERCENT ? 'warning' : 'ok';
}

/** Whether the alert stands now, given whether it stood before. */
export function isAlertRaised(wasRaised: boolean, percent: number): boolean {
  return wasRaised ? percent >= ALERT_CLEAR_PERCENT : percent > ALERT_PERCENT;
}

/** At least one sentence, the most pressing first. */
export function recommendations(facts: PressureFacts): string[] {
  const { utilizationPercent, exhaustedCount, failure } = facts;
  const sentences: string[] = [];
  if (failure !== undefined) {
    sentences.push(
      `Critical: Redis does not answer (${failure}); check the server, its address and the network.`,
    );
  }
  if (exhaustedCount > 0) {
    const times = exhaustedCount === 1 ? 'once' : `${exhaustedCount} times`;
    sentences.push(
      `Critical: the pool was exhausted ${times}; raise REDIS_MAX_CONNECTIONS or add workers.`,
    );
  }
  const percent = `${Math.round(utilizationPercent * 10) / 10} %`;
  switch (utilizationLevel(utilizationPercent)) {
    case 'critical':
      sentences.push(
        `Critical: utilisation is ${percent}, above ${ALERT_PERCENT} %; ` +
          'raise REDIS_MAX_CONNECTIONS or add workers now.',
      );
      break;
    case 'warning':
      sentences.push(
        `Warning: utilisation is ${percent}, above ${WARNING_PERCENT} %; ` +
          'plan for more connections before load grows.',
      );
      break;
    case 'ok':
      break;
  }
  return sentences.length === 0 ? [ALL_IS_WELL] : sentences;
}
