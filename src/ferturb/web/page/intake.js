// Where pictures come from: chosen, dropped, pasted, taken. Each goes to `take(blob)`.
import { element } from "./words.js";

const $ = (id) => document.getElementById(id);

export function listen(take, complain) {
  $("choose").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", () => {
    if ($("file").files.length) take($("file").files[0]);
    $("file").value = "";
  });
  document.addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])][0];
    if (!file) return;
    event.preventDefault();
    take(file);
  });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      if (![...(event.dataTransfer?.types ?? [])].includes("Files")) return;
      event.preventDefault();
      $("drop").classList.toggle("over", kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
    });
  }
  camera(take, complain);
}

function camera(take, complain) {
  const dialog = $("camera-dialog"), video = $("video");
  let stream = null;
  $("camera").addEventListener("click", async () => {
    if (!navigator.mediaDevices?.getUserMedia) {
      complain("the browser gives no camera here; open the page on the machine itself, at 127.0.0.1");
      return;
    }
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user", width: { ideal: 1280 } } });
    } catch (error) {
      complain(error.name === "NotAllowedError" ? "the camera was not allowed" : "no camera was found");
      return;
    }
    video.srcObject = stream;
    dialog.showModal();
    video.play().catch(() => {});  // closed before it began
  });
  $("snap").addEventListener("click", () => {
    const canvas = element("canvas", { width: video.videoWidth, height: video.videoHeight });
    if (!canvas.width) return;
    canvas.getContext("2d").drawImage(video, 0, 0);
    canvas.toBlob((blob) => blob && take(blob), "image/png");
    dialog.close();
  });
  $("camera-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    stream?.getTracks().forEach((track) => track.stop());
    stream = video.srcObject = null;
  });
}

// The drawn faces: buttons that take them.
const EXAMPLES = {
  happy: 1, surprise: 1, neutral: 1, sad: 1, fear: 1, angry: 1, disgust: 1, group: 0,
};
export function examples(choose) {
  $("examples").append(...Object.entries(EXAMPLES).map(([name, cropped]) => {
    const title = cropped ? name : "four people";
    const image = element("img", { src: `examples/${name}.png`, alt: "", loading: "lazy" });
    const button = element("button", { type: "button" }, image, title);
    button.dataset.example = name;
    button.addEventListener("click", () => choose(name, Boolean(cropped)));
    return button;
  }));
}
