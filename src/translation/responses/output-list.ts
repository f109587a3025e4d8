import type { ItemEvent, OutputItem, Place } from './output-items.ts';
import type { Status } from './response-object.ts';

/**
 * The items of a response, one after another.
 *
 * States: no item is open; one is; one is closed and waits for what comes after it, which tells whether it is whole.
 */
export class OutputList {
  private readonly whole: object[] = [];
  private item: OutputItem | undefined;
  private closed: OutputItem | undefined;
  private begun = 0;
  private response = '';

  /** What the items' ids have in common. */
  name(response: string): void {
    this.response = response;
  }

  get isOpen(): boolean {
    return this.item !== undefined;
  }

  /** Those that are whole by now. */
  get items(): readonly object[] {
    return [...this.whole];
  }

  open(prefix: 'msg' | 'rs' | 'fc', make: (place: Place) => OutputItem): readonly ItemEvent[] {
    const before = this.settle('completed');
    const output_index = this.begun;
    const item = make({ item_id: `${prefix}_${this.response}_${output_index}`, output_index });
    this.begun += 1;
    this.item = item;
    const added = { type: 'response.output_item.added', output_index, item: item.added };
    return [...before, added, ...item.open()];
  }

  delta(text: string): readonly ItemEvent[] {
    return this.item?.delta(text) ?? [];
  }

  close(): readonly ItemEvent[] {
    const { item } = this;
    if (item === undefined) return [];
    this.item = undefined;
    this.closed = item;
    return item.close();
  }

  /** Tells the closed item, if there is one that was not told. */
  settle(status: Status): readonly ItemEvent[] {
    const item = this.closed?.whole(status);
    if (item === undefined) return [];
    this.closed = undefined;
    this.whole.push(item);
    return [{ type: 'response.output_item.done', output_index: this.whole.length - 1, item }];
  }
}
