// Counts words by a worker thread, and compresses and hashes what it is sent.
const { createServer } = require("node:http");
const { createHash } = require("node:crypto");
const { gzipSync, gunzipSync } = require("node:zlib");
const { Worker } = require("node:worker_threads");

const counter = new Worker(
  `const { parentPort } = require("node:worker_threads");
   parentPort.on("message", ({ id, text }) => parentPort.postMessage({ id, words: text.split(/\\s+/).filter(Boolean).length }));`,
  { eval: true },
);
const waiting = new Map();
let last = 0;
counter.on("message", ({ id, words }) => {
  waiting.get(id)(words);
  waiting.delete(id);
});
const count = (text) => new Promise((resolve) => {
  waiting.set(++last, resolve);
  counter.postMessage({ id: last, text });
});

const server = createServer((request, response) => {
  const pieces = [];
  request.on("data", (piece) => pieces.push(piece));
  request.on("end", async () => {
    const body = Buffer.concat(pieces);
    const answer = {
      path: request.url,
      words: await count(body.toString()),
      sha256: createHash("sha256").update(body).digest("hex"),
      compressed: gunzipSync(gzipSync(body)).equals(body),
    };
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(answer));
  });
});
process.on("SIGTERM", () => server.close(() => process.exit(0)) && server.closeIdleConnections());
server.listen(80, "0.0.0.0", () => console.log("listening on port 80"));
