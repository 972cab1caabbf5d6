// What other programs may import of the load tester.
export {};
