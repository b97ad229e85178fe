/** Whether retention or an erasure has emptied a sealed value: its row stays for counts and for "why", the words are gone. */
export function isErased(sealed: Uint8Array): boolean {
  return sealed.length === 0;
}
