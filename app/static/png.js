// A grey PNG of a canvas. The browser's own has four times as many bytes to unpack, for colours and
// transparency that a drawing does not have, and takes the server as long as the network does.
//
// W3C, Portable Network Graphics (PNG) Specification, https://www.w3.org/TR/png-3/.

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

const CRC = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? (byte >>> 1) ^ 0xedb88320 : byte >>> 1;
  return byte;
});

/**
 * Return a picture as a PNG of 8-bit grey levels.
 *
 * @param {HTMLCanvasElement} canvas opaque, in shades of grey
 * @returns {Promise<Uint8Array>} its bytes
 */
export async function greyPng(canvas) {
  const { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  const rows = new Uint8Array(height * (1 + width)); // a row begins with its filter; 0 is none
  for (let pixel = 0; pixel < width * height; pixel++) {
    rows[pixel + Math.floor(pixel / width) + 1] = data[4 * pixel];
  }
  const header = new DataView(new ArrayBuffer(13)); // what stays 0: grey, deflate, no interlacing
  header.setUint32(0, width);
  header.setUint32(4, height);
  header.setUint8(8, 8);
  const deflate = new CompressionStream("deflate");
  const parts = [
    SIGNATURE,
    chunk("IHDR", new Uint8Array(header.buffer)),
    chunk("IDAT", await read(new Blob([rows]).stream().pipeThrough(deflate))),
    chunk("IEND", new Uint8Array()),
  ];
  return read(new Blob(parts).stream());
}

async function read(stream) {
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Return a chunk: length, type, content, and the checksum of type and content. */
function chunk(type, content) {
  const bytes = new Uint8Array(12 + content.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, content.length);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(content, 8);
  let crc = 0xffffffff;
  for (const byte of bytes.subarray(4, -4)) crc = CRC[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  view.setUint32(bytes.length - 4, ~crc);
  return bytes;
}
