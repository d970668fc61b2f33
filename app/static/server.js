// The page with the network on the server that the page comes from.

import { start } from "./app.js";

const PATIENCE = 5000; // milliseconds

start(async (picture) => {
  const request = {
    method: "POST",
    headers: { "Content-Type": "image/png" },
    body: asPng(picture),
    signal: AbortSignal.timeout(PATIENCE),
  };
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

/** Return a picture as a PNG; toBlob() waits for the browser to be idle, at times for a second. */
function asPng(picture) {
  const base64 = picture.toDataURL("image/png").split(",")[1];
  return Uint8Array.from(atob(base64), (byte) => byte.charCodeAt(0));
}
