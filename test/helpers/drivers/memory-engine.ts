/** Volumes as a Docker engine has them: a name belongs to the first who asks for it. A real one is in test/docker. */
import type { ContainerJson, VolumeJson } from '../../../lib/drivers/docker/mapper.ts';
import { BalancerError } from '../../../lib/platform/errors.ts';

export class MemoryEngine {
  readonly volumes = new Map<string, Readonly<Record<string, string>>>();
  readonly containers = new Map<string, ContainerJson>();
  isAway = false;
  /** Runs before a list is answered. */
  onList: () => void = () => {};

  async createVolume(name: string, labels: Readonly<Record<string, string>>): Promise<void> {
    this.#mustAnswer();
    if (!this.volumes.has(name)) this.volumes.set(name, labels);
  }

  async volumesWith(label: string): Promise<readonly VolumeJson[]> {
    this.onList();
    this.#mustAnswer();
    const [key = '', value] = label.split('=');
    return [...this.volumes]
      .filter(([, labels]) => labels[key] === value)
      .map(([Name, Labels]) => ({ Name, Labels }));
  }

  async removeVolume(name: string): Promise<void> {
    this.#mustAnswer();
    this.volumes.delete(name);
  }

  async container(id: string): Promise<ContainerJson | undefined> {
    return this.containers.get(id);
  }

  #mustAnswer(): void {
    if (this.isAway) throw new BalancerError('engine-unreachable');
  }
}
