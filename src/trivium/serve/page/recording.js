// A recording of the microphone.

import { Fault } from "./server.js";

const TYPES = ["audio/webm;codecs=opus", "audio/mp4"]; // the first that the browser makes
// Sounds that a model learned from were not cleaned like a telephone's.
const PLAIN = { echoCancellation: false, noiseSuppression: false };
const REFUSED = {
  NotAllowedError: "The browser may not use the microphone; allow it beside the address, or type.",
  NotFoundError: "There is no microphone; plug one in, or type.",
};

/** Record until `stop`, which gives the sound; `heard` is called with loudness (0-1), seconds. */
export async function record(heard) {
  if (!navigator.mediaDevices) {
    throw new Fault("Browsers give the microphone only to pages of this machine or over https.");
  }
  const stream = await navigator.mediaDevices.getUserMedia({ audio: PLAIN }).catch((error) => {
    throw new Fault(REFUSED[error.name] ?? `The microphone does not work: ${error.message}.`);
  });
  const mimeType = TYPES.find((type) => MediaRecorder.isTypeSupported(type));
  const recorder = new MediaRecorder(stream, { mimeType });
  const context = new AudioContext();
  const analyser = new AnalyserNode(context);
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const start = Date.now();
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    const loudness = Math.hypot(...samples) / Math.sqrt(samples.length);
    heard(Math.min(1, 4 * loudness), (Date.now() - start) / 1000);
  }, 80);
  recorder.start();
  return {
    stop: () => new Promise((resolve) => {
      clearInterval(timer);
      recorder.ondataavailable = ({ data }) => resolve(data); // all of it: it comes at the end
      recorder.stop();
      context.close();
      for (const track of stream.getTracks()) track.stop();
    }),
  };
}
