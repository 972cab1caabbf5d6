// What a command leaves behind on the connection that ran it, so that a lease comes back clean:
// little things are undone with one command each, for the rest the connection is closed.

/** State of a connection's session on the server. */
export interface Session {
  /** Keys are WATCHed. */
  watching: boolean;
  /** MULTI was sent by hand, and neither EXEC nor DISCARD yet. */
  inTransaction: boolean;
  /** SELECT was sent. */
  databaseChanged: boolean;
  /** Something was changed that no single command undoes: the connection has to be closed. */
  tainted: boolean;
}

export function newSession(): Session {
  return { watching: false, inTransaction: false, databaseChanged: false, tainted: false };
}

const TAINTING = new Set([
  'ASKING',
  'AUTH',
  'CLIENT CACHING',
  'CLIENT CAPA',
  'CLIENT IMPORT-SOURCE',
  'CLIENT NO-EVICT',
  'CLIENT NO-TOUCH',
  'CLIENT REPLY',
  'CLIENT SETINFO',
  'CLIENT SETNAME',
  'CLIENT TRACKING',
  'HELLO',
  'MONITOR',
  'PSUBSCRIBE',
  'PSYNC',
  'QUIT',
  'READONLY',
  'READWRITE',
  'RESET',
  'SCRIPT DEBUG',
  'SSUBSCRIBE',
  'SUBSCRIBE',
  'SYNC',
]);

/** Notes in `session` what the command named `name` (in capitals) does to it. */
export function trackSession(session: Session, name: string): void {
  switch (name) {
    case 'WATCH':
      session.watching = true;
      break;
    case 'UNWATCH':
      session.watching = false;
      break;
    case 'MULTI':
      session.inTransaction = true;
      break;
    case 'EXEC':
    case 'DISCARD':
      session.watching = false;
      session.inTransaction = false;
      break;
    case 'SELECT':
      session.databaseChanged = true;
      break;
    default:
      if (TAINTING.has(name)) session.tainted = true;
  }
}

/** Whether the command changes its session, so that it has no place on a shared connection. */
export function needsOwnSession(name: string): boolean {
  const session = newSession();
  trackSession(session, name);
  const { watching, inTransaction, databaseChanged, tainted } = session;
  return (
    watching || inTransaction || databaseChanged || tainted || name === 'EXEC' || name === 'DISCARD'
  );
}

/** They ask about the connection itself. */
const ABOUT_THE_CONNECTION = new Set([
  'CLIENT GETNAME',
  'CLIENT GETREDIR',
  'CLIENT ID',
  'CLIENT INFO',
  'CLIENT TRACKINGINFO',
]);

export function isAboutConnection(name: string): boolean {
  return ABOUT_THE_CONNECTION.has(name);
}

/** What is known of the session after it, so that another connection can be made the same. */
const RESTORABLE = new Set([
  'CLIENT SETNAME',
  'DISCARD',
  'EXEC',
  'MULTI',
  'SELECT',
  'UNWATCH',
  'WATCH',
]);

/** Whether the command changes what only its connection knows: no other one can be made the same. */
export function isBeyondRestoring(name: string): boolean {
  return needsOwnSession(name) && !RESTORABLE.has(name);
}

/** The commands that make the session as new. @param database The one the pool was opened with. */
export function restoringCommands(session: Session, database: number): string[][] {
  const commands: string[][] = [];
  if (session.inTransaction) commands.push(['DISCARD']);
  else if (session.watching) commands.push(['UNWATCH']);
  if (session.databaseChanged) commands.push(['SELECT', String(database)]);
  return commands;
}
