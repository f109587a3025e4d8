import { runDoor } from './run-door.ts';

describe('invoke', () => runDoor('bedrockInvoke'));
describe('converse', () => runDoor('bedrockConverse'));
