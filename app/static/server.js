// The page with the networks on the server that the page comes from.

import { start, Unreadable } from "./app.js";

const PATIENCE = 5000; // milliseconds

start(
  (picture) => ask("classify", picture),
  async (picture, show) => show((await ask("compare", picture)).networks),
  "timeout" in AbortSignal,
);

async function ask(address, picture) {
  const png = await new Promise((resolve) => picture.toBlob(resolve));
  const request = {
    method: "POST",
    headers: { "Content-Type": "image/png" },
    body: await png.arrayBuffer(),
    signal: AbortSignal.timeout(PATIENCE),
  };
  let response;
  let answer;
  try {
    response = await fetch(address, request);
    answer = await response.json();
  } catch {
    throw new Error("The server does not answer. Trying again …");
  }
  if (response.status === 422) throw new Unreadable(answer.detail);
  if (!response.ok) throw new Error(answer.detail);
  return answer;
}
