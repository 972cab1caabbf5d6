// A server in a process of its own that answers after some forty milliseconds: a machine's hiccups
// are small beside that. Not always the same, so that connections don't fall into step.
import http from 'node:http';
import process from 'node:process';

const delayMs = () => 30 + 20 * Math.random();
const server = http.createServer((_request, response) => {
  setTimeout(() => response.end('{"ok":true}'), delayMs());
});
server.listen(0, '127.0.0.1', () => process.send(server.address().port));
process.on('disconnect', () => process.exit());
