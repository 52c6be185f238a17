// Where pictures come from: chosen, dropped, pasted, taken. Each goes to `take(blob)`.
import { element } from "./words.js";

const $ = (id) => document.getElementById(id);

const isVideo = (file) => file.type.startsWith("video/") || /\.(mp4|m4v|mov|webm|avi|mkv)$/i.test(file.name ?? "");

export function listen(takePicture, complain) {
  const watch = camera(takePicture, complain);
  const take = (file) => (isVideo(file) ? watch(file) : takePicture(file));
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
}

// The camera, and a function that opens a video file, to take one of its pictures.
function camera(take, complain) {
  const dialog = $("camera-dialog"), video = $("video");
  let stream = null, address = null;
  const show = (title, controls) => {
    $("camera-title").textContent = title;
    video.controls = controls;
    dialog.showModal();
  };
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
    show("Take a picture", false);
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
    if (address) URL.revokeObjectURL(address);
    address = null;
    video.removeAttribute("src");
  });
  const refuse = () => {
    if (!address) return;
    dialog.close();
    complain("this browser can’t play the video, whose coding it doesn’t know; save it as MP4 with H.264 (AVC) as the video codec, or give a picture");
  };
  video.addEventListener("error", refuse);
  video.addEventListener("loadedmetadata", () => video.videoWidth || refuse());  // it plays the sound alone
  return (file) => {
    video.src = address = URL.createObjectURL(file);
    show("Go to a frame and take it", true);
  };
}

// The drawn faces: buttons that take them.
const EXAMPLES = {
  happy: 1, surprise: 1, neutral: 1, sad: 1, angry: 1, fear: 1, group: 0,
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
