import { expect, test } from 'vitest';
import { Budget, type BudgetMember } from './budget.js';

class Member implements BudgetMember {
  held: number;
  idle: number;
  pumped = 0;

  constructor(held: number, idle = 0) {
    this.held = held;
    this.idle = idle;
  }

  shrinkBy(surplus: number): void {
    this.held -= surplus;
  }

  yieldOne(): boolean {
    if (this.held < 2 || this.idle === 0) return false;
    this.held--;
    this.idle--;
    return true;
  }

  pump(): void {
    this.pumped++;
  }
}

function budgetOf(max: number, ...members: Member[]): Budget {
  const budget = new Budget(max);
  for (const member of members) budget.join(member);
  return budget;
}

test('a member alone may have all', () => {
  const alone = new Member(3);
  expect(budgetOf(10, alone).allowanceOf(alone)).toBe(10);
});

test('each member may keep one, and whoever asks first gets the rest', () => {
  const [busy, quiet, other] = [new Member(0), new Member(0), new Member(2)];
  const budget = budgetOf(10, busy, quiet, other);
  expect(budget.allowanceOf(busy)).toBe(7);
  busy.held = 7;
  expect(budget.allowanceOf(quiet)).toBe(1);
  expect(budget.allowanceOf(other)).toBe(2);
});

test('a maximum below the number of members still leaves one to each', () => {
  const members = [new Member(1), new Member(1), new Member(0)];
  const budget = budgetOf(2, ...members);
  expect(members.map((member) => budget.allowanceOf(member))).toEqual([1, 1, 1]);
});

test('whose callers wait gets an idle connection of the member that has most', () => {
  const [waiting, rich, poor] = [new Member(1), new Member(6, 2), new Member(3, 1)];
  const budget = budgetOf(10, waiting, rich, poor);
  budget.claimFor(waiting);
  expect([rich.held, poor.held]).toEqual([5, 3]);
});

test('a member that gives something up lets the others dial', () => {
  const [gone, one, two] = [new Member(4), new Member(1), new Member(1)];
  const budget = budgetOf(4, gone, one, two);
  budget.leave(gone);
  expect([one.pumped, two.pumped]).toEqual([1, 1]);
  expect(budget.allowanceOf(one)).toBe(3);
});

test('resize() takes from those who have most, and leaves one to each', () => {
  const members = [new Member(8), new Member(1), new Member(3)];
  const budget = budgetOf(12, ...members);
  budget.resize(5);
  expect(members.map(({ held }) => held)).toEqual([1, 1, 3]);
  expect(budget.max).toBe(5);
});
