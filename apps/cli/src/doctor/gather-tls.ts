// What the server shows before anything is said: its certificates and the TLS version. Seen over a
// connection that trusts everybody and sends nothing, so that a certificate that expired is seen too.

import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { connect, type DetailedPeerCertificate, type TLSSocket } from 'node:tls';
import type { Target } from '../connect.js';
import type { CertificateFacts, TlsFacts } from './facts.js';

/** Authorities sign authorities; a longer chain is a circle. */
const MAX_CHAIN = 10;

/** `undefined` without TLS, or where no TLS answers. */
export async function gatherTls(
  target: Target,
  env: NodeJS.ProcessEnv,
): Promise<TlsFacts | undefined> {
  const { host, port, path, connectTimeoutMs: timeout } = target;
  const tls = target.tls?.reveal();
  if (tls === undefined || path !== undefined) return undefined;
  const servername = isIP(host) === 0 ? { servername: host } : {};
  const socket = connect({ host, port, ...servername, ...tls, rejectUnauthorized: false });
  const facts = await new Promise<TlsFacts | undefined>((resolve) => {
    socket.setTimeout(timeout, () => resolve(undefined));
    socket.once('error', () => resolve(undefined));
    socket.once('close', () => resolve(undefined));
    socket.once('secureConnect', () =>
      resolve({
        protocol: socket.getProtocol() ?? 'unknown',
        certificates: [...chainOf(socket), ...ownCertificates(tls.cert)],
        isVerified: tls.rejectUnauthorized !== false && env.NODE_TLS_REJECT_UNAUTHORIZED !== '0',
      }),
    );
  });
  socket.on('error', () => undefined);
  socket.destroy();
  return facts;
}

function chainOf(socket: TLSSocket): CertificateFacts[] {
  const facts: CertificateFacts[] = [];
  let certificate: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  while (certificate?.valid_to !== undefined && facts.length < MAX_CHAIN) {
    facts.push({
      whose: facts.length === 0 ? 'of the server' : "of the server's authority",
      subject: String(certificate.subject?.CN ?? 'without a name'),
      validToMs: Date.parse(certificate.valid_to),
    });
    const issuer: DetailedPeerCertificate | undefined = certificate.issuerCertificate;
    certificate = issuer === certificate ? undefined : issuer;
  }
  return facts;
}

function ownCertificates(given: unknown): CertificateFacts[] {
  const texts = (Array.isArray(given) ? given : [given]).filter((each) => each !== undefined);
  return texts.flatMap((text) => {
    try {
      const { subject, validTo } = new X509Certificate(text as string | Buffer);
      const name = /^CN=(.+)$/m.exec(subject)?.[1] ?? 'without a name';
      return [{ whose: 'of this client', subject: name, validToMs: Date.parse(validTo) }];
    } catch {
      return [];
    }
  });
}
