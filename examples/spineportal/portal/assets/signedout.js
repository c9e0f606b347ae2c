// SPDX-License-Identifier: Apache-2.0

import { follow } from "./prompts.js";

follow();
