// Runs one call at a time: a newer call makes the older one give up, and its result never shows.
export function latest() {
  let controller = null;
  return async (call) => {
    controller?.abort();
    const mine = (controller = new AbortController());
    try {
      const found = await call(mine.signal);
      return mine === controller ? found : null;
    } catch (error) {
      if (mine !== controller || error.name === "AbortError") return null;
      throw error;
    }
  };
}
