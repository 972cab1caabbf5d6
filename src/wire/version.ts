// The library's version as the server sees it (CLIENT SETINFO); a test holds it to package.json.

export const LIBRARY_VERSION = '0.1.0';
