// Where the browser keeps the state from one visit to the next.

const [STORE, KEY] = ["kept", "state"];

const answer = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

async function opened() {
  const request = indexedDB.open("steadfast-page", 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE);
  return answer(request);
}

/** The state that was kept last, in bytes; no bytes where none was. */
export async function load() {
  const database = await opened();
  return (await answer(database.transaction(STORE).objectStore(STORE).get(KEY))) ?? new Uint8Array();
}

export async function save(state) {
  const database = await opened();
  await answer(database.transaction(STORE, "readwrite").objectStore(STORE).put(state, KEY));
}
