/** `ringlb reload`: makes the balancer read its options anew. */
import type { ReloadView } from '../../api/types.ts';
import type { Command } from '../command.ts';
import { printable, say } from '../output.ts';
import { EXIT } from '../usage.ts';

export const RELOAD: Command = {
  name: 'reload',
  operands: '',
  summary: 'makes the balancer read its file of options anew',
  help: [
    'All of it is taken, or nothing: a wrong file leaves everything as it is. No connection is closed.',
    'Options that only a start takes are named.',
  ],
  options: {},
  async run({ admin, output }) {
    const view = (await admin.requestMessage('POST', '/reload')) as ReloadView;
    if (output.isJson) {
      output.json(view);
      return EXIT.done;
    }
    const { changed, needsRestart } = view;
    say(output, changed.length === 0 ? 'nothing changed' : `changed: ${printable(changed.join(', '))}`);
    if (needsRestart.length > 0) say(output, `needs a restart: ${printable(needsRestart.join(', '))}`);
    return EXIT.done;
  },
};
