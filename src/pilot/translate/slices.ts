/** How many changes, or resources, are worked on at a stretch. */
export const slice = 200

/** Does something with each item, and gives way after every slice of them. */
export function* inSlices<Item>(items: Iterable<Item>, work: (item: Item) => void): Generator<void> {
  let count = 0
  for (const item of items) {
    if (count++ % slice === slice - 1) yield
    work(item)
  }
}
