// Can others read along, will the certificates hold, and may the pool do what it needs?

import type { PoolFacts, ServerFacts, TlsFacts } from '../facts.js';
import type { Verdict } from '../finding.js';
import { counted } from './numbers.js';

const DAY_MS = 86_400_000;
const SOON_DAYS = 30;
const VERY_SOON_DAYS = 7;
const OLD_PROTOCOL = /^TLSv1(\.1)?$|^SSL/;

export function judgeSecurity(server: ServerFacts, pool: PoolFacts, nowMs: number): Verdict[] {
  const { tls } = server;
  return [
    ...(tls === undefined ? judgePlainText(server, pool) : judgeTls(tls, nowMs)),
    ...judgeRights(server, pool),
    ...judgeAnswers(server, pool),
  ];
}

function judgePlainText({ nearness }: ServerFacts, pool: PoolFacts): Verdict[] {
  if (nearness === 'same-host') return [];
  const number = pool.workers * pool.maxConnections;
  const network = nearness === 'public-network' ? 'a public network' : 'a private network';
  return [
    {
      code: 'TLS_OFF',
      severity: nearness === 'public-network' ? 'warning' : 'notice',
      number,
      message: `Up to ${counted(number, 'connection')} cross ${network} without TLS, the password too.`,
      cure: 'rediss:// in REDIS_URL, or REDIS_TLS=true, once the server has a tls-port.',
    },
  ];
}

/** Also of a server that could not be connected to: its certificate may be why. */
export function judgeTls({ certificates, isVerified, protocol }: TlsFacts, nowMs: number) {
  const verdicts: Verdict[] = [];
  for (const { whose, subject, validToMs } of certificates) {
    const number = Math.floor((validToMs - nowMs) / DAY_MS);
    if (number >= SOON_DAYS) continue;
    const end = new Date(validToMs).toISOString().slice(0, 10);
    verdicts.push({
      code: 'CERTIFICATE_EXPIRES',
      severity: number < VERY_SOON_DAYS ? 'critical' : 'warning',
      number,
      message:
        number < 0
          ? `The certificate ${whose} (${subject}) expired on ${end}, ${-number} days ago.`
          : `The certificate ${whose} (${subject}) expires in ${counted(number, 'day')}, on ${end}.`,
      cure: 'Renew it; the server takes a new one with CONFIG SET tls-cert-file, without a restart, and the pool connects anew within maxLifetimeMs.',
    });
  }
  if (!isVerified) {
    verdicts.push({
      code: 'TLS_UNVERIFIED',
      severity: 'warning',
      number: certificates.length,
      message: `Whatever certificate is shown (${certificates.length} now) is taken: who stands between may read and change all.`,
      cure: 'Unset NODE_TLS_REJECT_UNAUTHORIZED, and name the authority in NODE_EXTRA_CA_CERTS.',
    });
  }
  if (OLD_PROTOCOL.test(protocol)) {
    verdicts.push({
      code: 'TLS_PROTOCOL_OLD',
      severity: 'warning',
      number: Number(/[\d.]+$/.exec(protocol)?.[0] ?? 0),
      message: `The server speaks ${protocol}, which is broken.`,
      cure: 'tls-protocols "TLSv1.2 TLSv1.3" on the server.',
    });
  }
  return verdicts;
}

function judgeRights({ missingRights }: ServerFacts, pool: PoolFacts): Verdict[] {
  const number = missingRights.length;
  if (number === 0) return [];
  const list = missingRights.map(({ right, cost }) => `${right} (${cost})`).join('; ');
  return [
    {
      code: 'ACL_LACKS',
      severity: missingRights.some(({ isEssential }) => isEssential) ? 'critical' : 'warning',
      number,
      message: `User ${pool.username} may not run ${counted(number, 'command')} that the pool sends by itself: ${list}.`,
      cure: `ACL SETUSER ${pool.username} ${missingRights.map(({ right }) => `+${right}`).join(' ')}`,
    },
  ];
}

function judgeAnswers({ refused }: ServerFacts, pool: PoolFacts): Verdict[] {
  const number = refused.length;
  if (number === 0) return [];
  return [
    {
      code: 'NOT_LOOKED_AT',
      severity: 'notice',
      number,
      message: `The server did not answer ${counted(number, 'question')} of the doctor: ${refused.join(', ')}.`,
      cure:
        'Managed services keep some of these to themselves: see their console. Elsewhere give the ' +
        `rights for the time of the look: ACL SETUSER ${pool.username} ` +
        `${refused.map((right) => `+${right}`).join(' ')}`,
    },
  ];
}
