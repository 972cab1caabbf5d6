// A server in a process of its own that answers each request after ten milliseconds.
import http from 'node:http';
import process from 'node:process';

const DELAY_MS = 10;
const server = http.createServer((_request, response) => {
  setTimeout(() => response.end('{"ok":true}'), DELAY_MS);
});
server.listen(0, '127.0.0.1', () => process.send(server.address().port));
process.on('disconnect', () => process.exit());
