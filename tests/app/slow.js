// For a page: requests are slow, noted and counted, and the first photo is slower than the next.

window.asking = window.most = 0;
window.sent = [];
const [send, decode] = [window.fetch, window.createImageBitmap];

window.fetch = async (address, request) => {
  most = Math.max(most, ++asking);
  sent.push(request.body);
  await new Promise((resume) => setTimeout(resume, 300));
  try {
    return await send(address, request);
  } finally {
    asking--;
  }
};

let pause = 1000;
window.createImageBitmap = async (file) => {
  await new Promise((resume) => setTimeout(resume, pause, (pause = 0)));
  return decode(file);
};
