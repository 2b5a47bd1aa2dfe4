// Asks for jobs, one after another, and posts what became of each.

import { answer } from "./block.mjs";

for (;;) {
  const job = await (await fetch("job")).json();
  await fetch("answer", { method: "POST", body: JSON.stringify(await answer(job)) });
}
