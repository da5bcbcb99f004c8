// Pictures of the images that come into view.

import { element } from "./words.js";

const SIDE = 216; // pixels of a thumbnail, for screens of two to a point

const files = new Map(); // by card
const undrawn = [];
let drawing = false;
const shownFirst = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      shownFirst.unobserve(target);
      undrawn.push(target);
    }
    if (!drawing) drawThumbnails();
  },
  { rootMargin: "100%" },
);

/** Draw the image of a card once it comes into view. */
export function drawWhenSeen(card, file) {
  files.set(card, file);
  shownFirst.observe(card);
}

/** Let go of all images. */
export function forget() {
  for (const image of document.querySelectorAll(".picture img")) URL.revokeObjectURL(image.src);
  files.clear();
  undrawn.length = 0;
  shownFirst.disconnect();
}

/** One at a time, the last that came into view first: an open photo takes a hundred times the memory of its file. */
async function drawThumbnails() {
  drawing = true;
  while (undrawn.length) {
    const card = undrawn.pop();
    await drawThumbnail(card, files.get(card));
    files.delete(card);
  }
  drawing = false;
}

async function drawThumbnail(card, file) {
  const place = card.querySelector(".picture");
  try {
    const photo = await createImageBitmap(file);
    const [short, long] = [photo.width, photo.height].sort((a, b) => a - b);
    const scale = Math.min(SIDE / short, (2 * SIDE) / long); // fills the square; of a long image, half is shown
    const [width, height] = [photo.width * scale, photo.height * scale];
    const canvas = new OffscreenCanvas(SIDE, SIDE);
    const pen = canvas.getContext("2d");
    pen.imageSmoothingQuality = "high";
    pen.fillStyle = "white"; // as the model sees what is transparent
    pen.fillRect((SIDE - width) / 2, (SIDE - height) / 2, width, height);
    pen.drawImage(photo, (SIDE - width) / 2, (SIDE - height) / 2, width, height);
    photo.close();
    const image = element("img", "");
    image.alt = "";
    image.src = URL.createObjectURL(await canvas.convertToBlob({ type: "image/webp", quality: 0.85 }));
    place.replaceChildren(image);
  } catch {
    place.textContent = "no preview"; // a format that the service reads and this browser does not
  }
}

