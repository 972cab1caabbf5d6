// The form for the token: the page is asked for with it, and answers with a cookie.

import { byId } from './dom.js';

const REFUSED = 'That was not the token.';
const UNREACHABLE = 'The service did not answer. Try again.';

byId<HTMLFormElement>('form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const token = byId<HTMLInputElement>('token').value.trim();
  const answer = await fetch(location.href, {
    headers: { authorization: `Bearer ${token}` },
  }).catch(() => undefined);
  if (answer?.ok) {
    location.reload();
    return;
  }
  const problem = byId('refused');
  problem.hidden = false;
  problem.textContent = answer?.status === 403 ? REFUSED : UNREACHABLE;
});
