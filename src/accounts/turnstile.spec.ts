import { Turnstile } from './turnstile.ts';

describe('a turnstile', () => {
  it('lets no more than its width through at once, in order, and goes on after a failure', async () => {
    const turnstile = new Turnstile(2);
    const order: number[] = [];
    let inside = 0;
    let most = 0;
    const work = (number: number) => async () => {
      order.push(number);
      inside += 1;
      most = Math.max(most, inside);
      await new Promise((resolve) => setImmediate(resolve));
      inside -= 1;
      if (number === 1) throw new Error('one failed');
    };
    const done = await Promise.allSettled([0, 1, 2, 3, 4, 5].map((number) => turnstile.run(work(number))));
    expect(most).toBe(2);
    expect(order).toEqual([0, 1, 2, 3, 4, 5]);
    expect(done.filter((one) => one.status === 'rejected')).toHaveLength(1);
    await expect(turnstile.run(async () => 'still open')).resolves.toBe('still open');
  });
});
