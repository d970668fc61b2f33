// The page with the network on the server that the page comes from.

import { start } from "./app.js";

const PATIENCE = 5000; // milliseconds

start(async (picture) => {
  const png = await new Promise((resolve) => picture.toBlob(resolve, "image/png"));
  const request = { method: "POST", body: png, signal: AbortSignal.timeout(PATIENCE) };
  let response;
  let answer;
  try {
    response = await fetch("classify", request);
    answer = await response.json();
  } catch {
    throw new Error("The server does not answer. Trying again …");
  }
  if (!response.ok) throw new Error(answer.detail);
  return answer;
});
