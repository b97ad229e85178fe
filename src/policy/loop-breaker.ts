/** How many rounds of question and answer are looked at: what a person does not keep up. */
const ROUNDS = 12;
/** Faster than anybody reads an answer and types the next question, round after round (our own rule). */
const FAST_MS = 6000;
/** The same words again and again, each time after an answer. */
const REPEATS = 5;

type Entry = { who: "customer" | "business"; text: string; at: Date };

/**
 * Whether the other side is a machine that answers every answer: then the agent stops, and a person decides. Looks at the
 * end of the conversation, oldest entry first; business entries may carry another clock, so only the customer's times count.
 */
export function isLoop(history: readonly Entry[]): boolean {
  const said: Entry[] = [];
  let isAnswered = false;
  for (const entry of history) {
    if (entry.who === "business") isAnswered = true;
    else if (isAnswered || said.length === 0) {
      said.push(entry);
      isAnswered = false;
    }
  }
  const last = said.slice(-ROUNDS);
  const tail = said.slice(-REPEATS);
  if (tail.length === REPEATS && tail.every((entry) => plain(entry.text) === plain(tail[0]!.text))) return true;
  if (last.length < ROUNDS) return false;
  const gaps = last.slice(1).map((entry, index) => entry.at.getTime() - last[index]!.at.getTime());
  return gaps.sort((a, b) => a - b)[Math.floor(gaps.length / 2)]! <= FAST_MS;
}

function plain(text: string): string {
  return text.toLowerCase().replace(/\s+/g, " ").trim();
}
