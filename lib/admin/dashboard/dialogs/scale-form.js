/** The dialog of the fleet's size as markup, which the page gets once. */

const MARKUP = `
<dialog id="scale-dialog" aria-labelledby="scale-dialog-heading">
  <form id="scale-form" method="dialog">
    <h2 id="scale-dialog-heading">Set the size</h2>
    <fieldset id="scale-size-fields" class="plain">
      <legend class="unseen">Size</legend>
      <div class="fields">
        <label for="scale-n">Replicas</label>
        <input id="scale-n" name="n" type="number" min="1" required inputmode="numeric" />
      </div>
      <p id="scale-force-line" class="choice">
        <input id="scale-force" name="force" type="checkbox" aria-describedby="scale-force-hint" />
        <label for="scale-force">Beyond the bounds</label>
        <span id="scale-force-hint" class="note">Moves the bound of autoscaling where the size is outside.</span>
      </p>
    </fieldset>
    <fieldset id="scale-bounds-fields" class="plain">
      <legend class="unseen">Bounds of autoscaling</legend>
      <div class="fields">
        <label for="scale-min">At least</label>
        <input id="scale-min" name="min" type="number" min="0" required inputmode="numeric" />
        <label for="scale-max">At most</label>
        <input id="scale-max" name="max" type="number" min="1" required inputmode="numeric" />
        <label for="scale-target">Requests in flight each</label>
        <input id="scale-target" name="target" type="number" min="1" required inputmode="numeric" />
      </div>
    </fieldset>
    <section class="preview" aria-labelledby="scale-preview-heading">
      <h3 id="scale-preview-heading">Preview</h3>
      <p id="scale-text" role="status"></p>
    </section>
    <p id="scale-problem" class="problem" role="alert"></p>
    <div class="buttons">
      <button id="scale-cancel" type="button">Cancel</button>
      <button id="scale-do" type="submit" class="primary" disabled>Set</button>
    </div>
  </form>
</dialog>
`;

export function addScaleDialog() {
  const template = document.createElement('template');
  template.innerHTML = MARKUP;
  document.body.append(template.content);
}
