// The choice of microphones. Browsers name the devices only after the microphone was once allowed.

export async function listMicrophones(select) {
  if (!navigator.mediaDevices?.enumerateDevices) return;
  const chosen = select.value;
  const devices = (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === "audioinput");
  const named = devices.filter(({ deviceId, label }) => deviceId && deviceId !== "default" && label);
  const options = [new Option("System default", ""), ...named.map(({ label, deviceId }) => new Option(label, deviceId))];
  select.replaceChildren(...options);
  if (options.some(({ value }) => value === chosen)) select.value = chosen;
}

export function followDevices(select) {
  navigator.mediaDevices?.addEventListener?.("devicechange", () => listMicrophones(select));
}
