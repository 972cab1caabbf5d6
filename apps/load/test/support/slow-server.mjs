// A server in a process of its own that answers each request after forty milliseconds: a machine's
// hiccups are small beside that.
import http from 'node:http';
import process from 'node:process';

const DELAY_MS = 40;
const server = http.createServer((_request, response) => {
  setTimeout(() => response.end('{"ok":true}'), DELAY_MS);
});
server.listen(0, '127.0.0.1', () => process.send(server.address().port));
process.on('disconnect', () => process.exit());
