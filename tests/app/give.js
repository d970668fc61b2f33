([way, bytes]) => {
  // Has the page get a photo in an event, as a person gives it.
  const data = new DataTransfer();
  data.items.add(new File([Uint8Array.from(bytes)], "photo.jpg", { type: "image/jpeg" }));
  document.dispatchEvent(
    way === "paste"
      ? new ClipboardEvent("paste", { clipboardData: data, cancelable: true })
      : new DragEvent("drop", { dataTransfer: data, cancelable: true }),
  );
}
